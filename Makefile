# All commands of the project. `make` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Clones share what they build. Set CARGO_TARGET_DIR to build elsewhere.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/crabwalk/target
# Where `.ci/need` puts tools that are not on the machine.
export CRABWALK_TOOLS ?= $(HOME)/.cache/crabwalk/tools
export PATH := $(CRABWALK_TOOLS)/bin:$(PATH)

# Flags for cargo, such as --locked or --offline.
CARGO_FLAGS ?=
# Arguments of `crabwalk demo`.
DEMO ?=
# Arguments of `cargo test`, such as the name of a test.
TEST ?=
# Logs for `make bench`: files or folders.
LOGS ?=
# Worlds for `make growth`: numbers of logon events.
LOGONS ?= 1M 3M 10M

##@ Use

ui_sources := ui/package-lock.json ui/vite.config.ts ui/tsconfig.json $(shell find ui/src -type f)

# The front end of the HTML report. It is built when its sources change, so that the program is not linked again without need.
ui/dist/report.js: $(ui_sources)
	@.ci/need node npm
	@[ ui/node_modules/.package-lock.json -nt ui/package-lock.json ] || npm --prefix ui ci --no-audit --no-fund
	npm --prefix ui run --silent build
	@touch $@

# Without Node, the program is built without the HTML report, and says so.
.PHONY: ui-if-node
ui-if-node:
	@if command -v node >/dev/null && command -v npm >/dev/null; then $(MAKE) --no-print-directory ui/dist/report.js; \
	else echo "Node is not installed: building without the HTML report"; fi

# `--examples` makes cargo choose the features of dependencies as it does for the tests. Without it, `make test` after
# `make demo` compiles DataFusion a second time.
.PHONY: demo
demo: ui-if-node ## simulate a small company with an intrusion, hunt through its logs, print the result
	@.ci/need cargo cc
	cargo build $(CARGO_FLAGS) --workspace --bins --examples
	$(CARGO_TARGET_DIR)/debug/crabwalk demo $(DEMO)

.PHONY: ui
ui: ui/dist/report.js ## build the front end of the HTML report (needs Node)

.PHONY: release
release: ui-if-node ## build the program with full optimisation
	@.ci/need cargo cc
	cargo build $(CARGO_FLAGS) --release -p crabwalk
	@echo "built: $(CARGO_TARGET_DIR)/release/crabwalk"

# The profile of packages; `release` builds faster.
PROFILE ?= dist

.PHONY: deb
deb: ui/dist/report.js ## a Debian package: program, manual pages, completions, systemd unit (PROFILE=dist)
	@.ci/need cargo cc cargo-deb
	cargo build $(CARGO_FLAGS) --profile $(PROFILE) -p crabwalk
	packaging/prepare $(CARGO_TARGET_DIR)/$(PROFILE)
	cargo deb $(CARGO_FLAGS) -p crabwalk --profile $(PROFILE) --no-build --no-strip -o $(CARGO_TARGET_DIR)/debian/
	@echo "built: $(CARGO_TARGET_DIR)/debian"

.PHONY: sbom
sbom: ## the libraries in the program, as a CycloneDX bill of materials
	@.ci/need cargo cc cargo-cyclonedx
	cargo cyclonedx --quiet --format json --spec-version 1.5 --override-filename crabwalk.cdx --manifest-path crates/cli/Cargo.toml
	@mkdir -p $(CARGO_TARGET_DIR)/sbom && rm -f $(CARGO_TARGET_DIR)/sbom/*
	@mv crates/cli/crabwalk.cdx.json $(CARGO_TARGET_DIR)/sbom/
	@find crates -name crabwalk.cdx.json -delete
	@echo "built: $(CARGO_TARGET_DIR)/sbom/crabwalk.cdx.json"

.PHONY: wheel
wheel: ui/dist/report.js ## the Python package: a wheel and a source distribution (PROFILE=dist)
	@.ci/need cargo cc maturin
	maturin sdist -o $(CARGO_TARGET_DIR)/wheels
	maturin build $(CARGO_FLAGS) --profile $(PROFILE) -o $(CARGO_TARGET_DIR)/wheels
	@echo "built: $(CARGO_TARGET_DIR)/wheels"

##@ Check

.PHONY: test
test: ui/dist/report.js ## install what the tests need, and run all tests (TEST=name for a selection)
	@.ci/need cargo cc evtxexport openssl stix2_validator store-readers splunk-sdk smtp-server s3-server mcp-client export-readers jq curl
	CRABWALK_REQUIRE_TOOLS=1 cargo test $(CARGO_FLAGS) --workspace $(TEST)
	$(if $(TEST),,@$(MAKE) --no-print-directory python browser)

# The package as it is installed, with a debug build. `--bins --examples` as in `demo`, for the same features.
.PHONY: python
python: ui/dist/report.js ## only the tests of the Python package (TEST=name for a selection)
	@.ci/need cargo cc data-frames
	cargo build $(CARGO_FLAGS) --workspace --bins --examples --lib
	@rm -rf $(CARGO_TARGET_DIR)/python && mkdir -p $(CARGO_TARGET_DIR)/python
	@cp -r crates/python/crabwalk $(CARGO_TARGET_DIR)/python/
	@ln -f $(CARGO_TARGET_DIR)/debug/lib_native.so $(CARGO_TARGET_DIR)/python/crabwalk/_native.abi3.so
	PYTHONPATH=$(CARGO_TARGET_DIR)/python CRABWALK_BIN=$(CARGO_TARGET_DIR)/debug/crabwalk data-frames -B -m pytest $(if $(TEST),-k '$(TEST)')

.PHONY: browser
browser: ui/dist/report.js ## only the front end's tests: types, unit tests, and the report in a browser
	@.ci/need cargo cc chromium
	cargo build $(CARGO_FLAGS) --workspace --bins --examples
	npm --prefix ui run --silent check
	npm --prefix ui run --silent test
	CRABWALK_REQUIRE_TOOLS=1 CRABWALK_BIN=$(CARGO_TARGET_DIR)/debug/crabwalk npm --prefix ui run --silent test:browser

.PHONY: lint
lint: fmt typos deny clippy docs ## the five checks below

.PHONY: fmt
fmt: ## check formatting (`cargo fmt` fixes it)
	@.ci/need cargo
	cargo fmt --all --check

.PHONY: typos
typos: ## spelling
	@.ci/need typos
	typos

.PHONY: deny
deny: ## licences, sources and duplicates of dependencies
	@.ci/need cargo cc cargo-deny
	cargo deny $(CARGO_FLAGS) --workspace check bans licenses sources

.PHONY: clippy
clippy: ## lints of Rust, warnings are errors
	@.ci/need cargo cc
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings

.PHONY: docs
docs: book ## build the code's documentation, checking its links, and the book
	@.ci/need cargo cc
	RUSTDOCFLAGS=-Dwarnings cargo doc $(CARGO_FLAGS) --workspace --no-deps

.PHONY: book
book: ## only the book of docs/; the test `book` checks its links and runs its commands
	@.ci/need cargo cc mdbook
	rm -rf $(CARGO_TARGET_DIR)/book
	mdbook build --dest-dir $(CARGO_TARGET_DIR)/book docs
	@! grep -rlE 'href="[^":]*\.md["#]' $(CARGO_TARGET_DIR)/book || { echo "these pages link to sources"; exit 1; }
	@echo "built: $(CARGO_TARGET_DIR)/book/index.html"

.PHONY: audit
audit: ## known vulnerabilities of dependencies (fetches the advisory database from GitHub)
	@.ci/need cargo cc cargo-deny
	cargo deny $(CARGO_FLAGS) --workspace check advisories

.PHONY: bench
bench: ## speed and memory, release build (LOGS='files or folders')
	@.ci/need cargo cc
	cargo bench $(CARGO_FLAGS) -p crabwalk --bench hunt -- $(abspath $(LOGS))

.PHONY: differential
differential: ## EVTX and Sigma compared with other programs (CRABWALK_CORPUS, CRABWALK_SIGMA_RULES; tests/differential)
	@.ci/need cargo cc
	cargo build $(CARGO_FLAGS) --workspace --bins --examples
	tests/differential/run $(CARGO_TARGET_DIR)/debug/crabwalk $(CARGO_TARGET_DIR)/differential

.PHONY: growth
growth: ## time and memory of hunts over 1, 3 and 10 million logon events, release build (needs 10 GB of disk)
	@.ci/need cargo cc
	cargo bench $(CARGO_FLAGS) -p crabwalk --bench growth -- $(LOGONS)

##@ Other

.PHONY: clean
clean: ## delete build output, for all clones that share it
	cargo clean

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
