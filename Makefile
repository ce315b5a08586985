# SPDX-License-Identifier: Apache-2.0
# A front door for people; Meson builds. `make help` lists what there is.

BUILD = build
PREFIX =
DESTDIR =
FUZZ_SECONDS = 60
export FUZZ_SECONDS

.PHONY: help build demo check lint format bench fuzz install clean \
	packages-demo packages-check packages-bench packages-fuzz

help:
	@echo 'make build          build/telltale and build/libtelltale.so'
	@echo 'make demo           install what is missing, build, record a command and show the report'
	@echo 'make check          install what is missing, build with gcc, clang and sanitizers, run all tests'
	@echo 'make lint           the lint tests alone'
	@echo 'make format         let clang-format rewrite the sources'
	@echo 'make bench          measure the cost of recording, next to other tools'
	@echo 'make fuzz           fuzz every parser for FUZZ_SECONDS each (default $(FUZZ_SECONDS))'
	@echo 'make install        install; DESTDIR= and PREFIX= as usual'
	@echo 'make clean          delete everything that was built'
	@echo 'make packages-demo  install the Debian packages of one section of tools/packages.txt;'
	@echo '                    also -check, -bench, -fuzz'

packages-demo packages-check packages-bench packages-fuzz: packages-%:
	@tools/install-packages.sh $*

$(BUILD)/build.ninja:
	@command -v meson >/dev/null || { echo "meson not found: run 'make packages-demo'" >&2; exit 1; }
	meson setup $(BUILD) $(if $(PREFIX),--prefix=$(PREFIX))

build: $(BUILD)/build.ninja
	ninja -C $(BUILD)

demo: packages-demo
	@$(MAKE) --no-print-directory build
	@tools/demo.sh

check:
	@tools/check.sh

lint: build
	meson test -C $(BUILD) --no-rebuild --print-errorlogs --suite lint

format:
	git ls-files -co --exclude-standard 'src/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]' | xargs clang-format -i

bench: packages-demo packages-bench
	@$(MAKE) --no-print-directory build
	tools/bench.py $(BUILD)

fuzz: packages-demo packages-fuzz
	@tools/fuzz.sh

install: build
	$(if $(PREFIX),meson configure $(BUILD) -Dprefix=$(PREFIX) && ninja -C $(BUILD))
	meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir='$(abspath $(DESTDIR))')

clean:
	rm -rf build build-*
