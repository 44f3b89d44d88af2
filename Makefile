# holdfast: what a person types. Everything else is in CMakeLists.txt.
# `make run` and `make test` need only git, make and Debian 12; they install the rest.
DATA ?= ./data
LISTEN ?= 127.0.0.1:8080
MINUTES ?= 1
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: help run build test bench fuzz install clean

help:
	@echo "make run      build and start a node on $(LISTEN), data in $(DATA)"
	@echo "make test     build everything and pass every test"
	@echo "make build    the release binary: build/release/holdfast"
	@echo "make bench    measure ours and the peers in turn; results go to bench/results/"
	@echo "make fuzz     run every fuzzer for MINUTES=$(MINUTES)"
	@echo "make install  copy the release binary (DESTDIR, PREFIX)"

build:
	@tools/install.sh build
	@cmake --preset release >build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }; rm -f build.log
	@cmake --build --preset release --target holdfast -j $(JOBS)

run: build
	build/release/holdfast serve --data $(DATA) --listen $(LISTEN)

test:
	@tools/install.sh test
	@tools/test.sh

bench:
	@tools/install.sh bench
	@$(MAKE) --no-print-directory build
	@cmake --build --preset release -j $(JOBS)
	@bench/run.sh

fuzz:
	@tools/install.sh test
	@tools/fuzz.sh $$(( $(MINUTES) * 60 ))

install: build
	install -D -m 755 build/release/holdfast $(DESTDIR)$(PREFIX)/bin/holdfast

clean:
	rm -rf build
