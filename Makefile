# Lodge. The two commands of the README are `sudo make up` and `sudo make test`.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -eu -o pipefail -c
.PHONY: all build up down clean test test-long test-vm bench deps test-deps install fmt golden

all: build

# Everything is built by packaging/build, which finds Go for the user behind sudo too.
build:
	packaging/build

deps:
	packaging/deps run build

test-deps:
	packaging/deps run build test

install: build
	packaging/install

up: deps build
	packaging/up

down:
	packaging/down

clean:
	packaging/clean

test: test-deps
	packaging/test

test-long: test-deps
	packaging/firewalls /var/cache/lodge-firewalls
	LODGE_LONG=1 LODGE_FIREWALLS=/var/cache/lodge-firewalls packaging/test -timeout 120m

test-vm: build
	packaging/test-vm

bench: build
	packaging/bench

golden:
	packaging/go test ./web/api -run OpenAPI -update
	packaging/go test ./cmd/lodged -run SettingsManual -update

fmt:
	packaging/go fmt ./...
