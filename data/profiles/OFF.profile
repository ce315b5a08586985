# SPDX-License-Identifier: Apache-2.0
# Nothing is asked for: no filter, no no_new_privs. Programs that are set-user-id go on working.

summary "recording alone, no sandbox"
