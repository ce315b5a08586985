# SPDX-License-Identifier: Apache-2.0
# For finding out what a command needs: no walls, every system call of every process counted, and an end to what
# uses more than a small trial should.

summary "finding out: everything allowed, every call counted, ends at 2 s of CPU or 1000 major faults"

learn yes
count auto
limit cpu-time 2s
limit major-faults 1000
