# One flag set for all debug builds: another would build everything again.
SHELL := /bin/bash
export PATH := $(PATH):/opt/swift/usr/bin
BUILD := swift build --explicit-target-dependency-import-check error
SWIFT_FILES := Package.swift Sources Tests

.PHONY: help demo demo-reset test check lint torture counterparties bench release format docs clean

help:
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

demo: ## builds and starts a world to look at; its data is in .patchbay-demo/
	@scripts/demo

demo-reset: ## removes .patchbay-demo/, all that the demo has kept
	@if [ -d .patchbay-demo ]; then \
	    if ! flock -n .patchbay-demo/lock true; then echo "A demo runs here: $$(cat .patchbay-demo/lock). Stop it first, with Ctrl-C."; exit 1; fi; \
	    echo "Removes .patchbay-demo/, $$(du -sh .patchbay-demo | cut -f1): databases, keys, secrets, members and logs of the demo."; \
	    rm -rf .patchbay-demo; \
	else echo "There is no .patchbay-demo/: nothing to remove."; fi

test: ## builds, then runs all tests on SQLite and on a PostgreSQL of their own
	@scripts/prepare test
	@start=$$SECONDS; $(BUILD) --build-tests || exit 1; echo "Built in $$((SECONDS - start)) s."
	@scripts/with-postgres -- swift test --skip-build

check: lint test ## what must hold before a commit: format, no warnings, tidy, test

lint:
	@swift format lint --strict --parallel --recursive $(SWIFT_FILES)
	@scripts/tidy
	@scripts/planted --check

torture: ## the long tests: crashes, dropped writes, fuzzing, planted bugs (two hours or more)
	@scripts/prepare test
	@scripts/torture

counterparties: ## the platforms' own libraries, a browser and Schemathesis judge what was built (needs PyPI)
	@scripts/prepare test
	@$(BUILD) --build-tests
	@scripts/counterparties

bench: ## measures, and compares with the figures of the last release
	@scripts/prepare bench
	@Benchmarks/run

release: ## builds dist/: patchbay without symbols, its unit, its Containerfile, their checksums
	@scripts/prepare build
	swift build -c release --static-swift-stdlib --scratch-path .build-release --product patchbay
	@mkdir -p dist
	@strip -o dist/patchbay .build-release/release/patchbay
	@cp packaging/patchbay.service packaging/Containerfile patchbay.env.example dist/
	@scripts/check-release
	@cd dist && sha256sum patchbay patchbay.service Containerfile patchbay.env.example >SHA256SUMS
	@ls -lh dist/patchbay | awk '{ print "dist/patchbay, " $$5 "; beside it the unit, the Containerfile and SHA256SUMS" }'

format: ## formats the Swift files in place
	@swift format --in-place --parallel --recursive $(SWIFT_FILES)

docs: ## writes docs/openapi.json, the API's contract, from the code
	@scripts/prepare build
	@$(BUILD) --product patchbay
	@scripts/docs

clean: ## removes what was built; the demo's data stays
	@rm -rf .build .build-release .build-planted .build-torture .build-tsan .build-bench .build-fuzz dist
