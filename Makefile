# Every action of the project. `make help` lists them.
# Builds are kept outside the checkout, so a fresh clone on the same machine starts warm.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/wasmcloud
export CARGO_TARGET_DIR ?= $(CACHE)/target
export PIP_DISABLE_PIP_VERSION_CHECK := 1

VENV := .venv
BIN := $(VENV)/bin
ENGINE := host-image/engine
ENGINE_SOURCES := $(shell find $(ENGINE) -name target -prune -o -type f \( -name '*.rs' -o -name '*.toml' -o -name '*.wit' -o -name '*.pyi' \) -print) $(ENGINE)/Cargo.lock
# The engine for `make test-webgpu`, which is not the one in .venv.
GPU_ENGINE := $(CACHE)/webgpu-engine
PACKAGES := api operator host-image cli
PACKAGE_FILES := $(PACKAGES:%=%/pyproject.toml)
# Tests that a busy machine doesn't hurt and that share nothing: they run two at a time. The others have the machine to
# themselves, those of the documents among them: what a document starts takes `wasmcloud up`'s own port.
TIMELESS := api/tests operator/tests/simulation operator/tests/unit tests/chart

##@ Everyday

.PHONY: help
help: ## List what make can do
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/.engine ## Start `wasmcloud up` with the hello example (builds what it needs first)
	@$(BIN)/wasmcloud up -f examples/hello/workload.yaml $(ARGS)

.PHONY: test
test: test-engine test-python ## Run every test but those on a cluster

##@ Checks

.PHONY: test-engine
test-engine: own-build ground ## The engine's own tests (Rust)
	cargo test --quiet --release --locked --manifest-path $(ENGINE)/Cargo.toml -p wasmcloud-engine-core

.PHONY: test-python
test-python: $(VENV)/.engine ground ## All Python tests, on real parts (ARGS="-k name" picks some)
	$(if $(ARGS),,$(BIN)/python -m pytest --numprocesses 2 $(TIMELESS))
	$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),$(TIMELESS:%=--deselect=%/))

.PHONY: test-webgpu
test-webgpu: $(VENV)/.engine ## WebGPU: an engine built with it, on a GPU made of software (first time 10 to 15 minutes)
	@tests/ground/fetch-vulkan >/dev/null
	rm -rf "$(GPU_ENGINE)"
	$(BIN)/maturin build --quiet --release --locked --features webgpu -m $(ENGINE)/python/Cargo.toml --interpreter $(BIN)/python --out "$(GPU_ENGINE)"
	$(BIN)/python -m pip install --quiet --no-deps --target "$(GPU_ENGINE)/site" "$(GPU_ENGINE)"/*.whl
	PYTHONPATH="$(GPU_ENGINE)/site" $(BIN)/python -m pytest -m webgpu host-image/tests/agent/test_webgpu.py $(ARGS)

.PHONY: simulate
simulate: $(VENV)/.packages ## The operator on virtual time: thousands of seeds of faults
	$(BIN)/python -m pytest operator/tests/simulation --seeds 3000 --timeout 0

.PHONY: lint
lint: $(VENV)/.engine ## ruff, mypy, import contracts, generated files, rustfmt, clippy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m wasmcloud_api.crd --check crds
	$(BIN)/python -m wasmcloud_api.conditions --check docs/conditions.md
	$(BIN)/python -m wasmcloud_api.reference --check docs/api.md
	$(BIN)/python charts/generate.py --check
	cargo fmt --all --check --manifest-path $(ENGINE)/Cargo.toml
	cargo clippy --quiet --release --locked --all-targets --manifest-path $(ENGINE)/Cargo.toml -- -D warnings

.PHONY: check-guests
check-guests: ## Rebuild the committed guests and compare, where their compiler is at hand
	@tests/ground/check-guests

.PHONY: format
format: $(VENV)/.packages ## Rewrite sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cargo fmt --all --manifest-path $(ENGINE)/Cargo.toml

##@ Builds

.PHONY: engine
engine: $(VENV)/.engine ## Build the engine and everything that runs it into .venv

.PHONY: generate
generate: $(VENV)/.packages ## Write crds/, the chart's copy of it and generated docs
	$(BIN)/python -m wasmcloud_api.crd crds
	$(BIN)/python -m wasmcloud_api.conditions docs/conditions.md
	$(BIN)/python -m wasmcloud_api.reference docs/api.md
	$(BIN)/python charts/generate.py

.PHONY: lock
lock: $(VENV)/.packages ## Resolve dependencies anew into requirements.lock and Cargo.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.11 --group dev pyproject.toml --output-file requirements.lock \
	  $(addprefix --no-emit-package ,wasmcloud wasmcloud-api wasmcloud-engine wasmcloud-host wasmcloud-operator)
	cargo update --manifest-path $(ENGINE)/Cargo.toml

.PHONY: ground
ground: require-go ## Build what the tests stand on: a Kubernetes control plane, an OCI registry, helm (first time 10 to 15 minutes)
	@tests/ground/build-control-plane >/dev/null
	@tests/ground/build-registry >/dev/null
	@tests/ground/build-helm >/dev/null
	@tests/ground/fetch-crds >/dev/null

.PHONY: clean
clean: ## Remove .venv and caches in the checkout (builds in the user's cache stay)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# --- how .venv comes to be ---------------------------------------------------------------------------------------

$(VENV)/.dependencies: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is not. Install one, or name it: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Installing Python packages into $(VENV) (about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements.lock
	@touch $@

$(VENV)/.packages: $(VENV)/.dependencies $(PACKAGE_FILES)
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation $(PACKAGES:%=-e %)
	@touch $@

$(VENV)/.engine: $(VENV)/.packages $(ENGINE_SOURCES) $(ENGINE)/pyproject.toml | own-build
	@echo "Building the engine (the first time 10 to 15 minutes on two cores, then under one)"
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --release --locked -m $(ENGINE)/python/Cargo.toml
	@touch $@

.PHONY: require-rust
require-rust:
	@command -v cargo >/dev/null || { echo "Rust is needed to build the engine: install it with rustup (https://rustup.rs), version 1.95 or newer." >&2; exit 1; }
	@command -v cc >/dev/null || { echo "A C compiler is needed to build the engine: install gcc or clang (Debian: apt-get install build-essential)." >&2; exit 1; }

# Cargo goes by times alone: what another checkout put into the folder of builds later would pass for this one's.
.PHONY: own-build
own-build: require-rust
	@mkdir -p "$(CARGO_TARGET_DIR)"
	@[[ "$$(cat "$(CARGO_TARGET_DIR)/checkout" 2>/dev/null)" == "$(CURDIR)" ]] || \
	  { touch $(ENGINE)/*/src/lib.rs; echo "$(CURDIR)" > "$(CARGO_TARGET_DIR)/checkout"; }

.PHONY: require-go
require-go:
	@command -v go >/dev/null || { echo "Go is needed to build the control plane that the tests run against: install Go 1.24 or newer (https://go.dev/dl)." >&2; exit 1; }

##@ Images and chart

.PHONY: test-chart
test-chart: $(VENV)/.packages require-go ## The chart: a real API server judges its objects, a real NATS its permissions
	@tests/ground/build-helm >/dev/null
	@tests/ground/build-control-plane >/dev/null
	$(BIN)/python -m pytest tests/chart $(ARGS)

.PHONY: images
images: $(VENV)/.engine ## Build the images of operator and host (BASE_IMAGE=... TAG=... WEBGPU=1)
	@images/build

.PHONY: e2e
e2e: images ## Install on a real cluster (kind): needs docker (KIND_NODE_IMAGE=... names kind's node)
	@tests/ground/build-helm >/dev/null
	@tests/ground/build-kind >/dev/null
	@tests/ground/build-metrics-server >/dev/null
	$(BIN)/python -m pytest tests/e2e --timeout 900 $(ARGS)
