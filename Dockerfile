# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0
#
# The trainer as an image: `docker build -t arctic-text2sql-r1 .`, or through compose.yaml. A build for machines without
# a GPU: `--build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu`. No token is needed to build; none is copied.
#
# The base images carry exact tags. Who must have the same bytes for ever adds their digests (`tag@sha256:...`).

FROM ghcr.io/astral-sh/uv:0.13.9 AS uv

# Slim, not nvidia/cuda: torch's wheels bring the CUDA libraries, and the compiler for CUDA comes as a wheel below.
FROM python:3.11-slim-bookworm AS base
ENV VIRTUAL_ENV=/app/.venv \
    PATH=/app/.venv/bin:$PATH

FROM base AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_CACHE_DIR=/var/cache/uv \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /app

# torch by its exact pin, before anything that requires it, and alone: an index of torch builds has few other packages.
# PyPI's build for Linux on x86 is the one for CUDA.
ARG TORCH_INDEX=https://pypi.org/simple
COPY constraints.txt pyproject.toml ./
RUN --mount=type=cache,target=/var/cache/uv \
    uv venv --python 3.11 "$VIRTUAL_ENV" \
    && uv pip install --no-deps --index-url "$TORCH_INDEX" "$(grep '^torch==' constraints.txt)"
RUN --mount=type=cache,target=/var/cache/uv \
    uv pip install --constraints constraints.txt --requirements pyproject.toml --extra quantized

# DeepSpeed compiles on first use: cpu_adam by g++ alone, also beside a GPU; fused_adam, ArcticTraining's default
# optimizer, by nvcc. torch pins cuda-toolkit, so this is the nvcc of torch's own CUDA version. Linkers look for
# lib64/libcudart.so, which the wheels do not have.
RUN --mount=type=cache,target=/var/cache/uv \
    toolkit="$VIRTUAL_ENV/lib/python3.11/site-packages/nvidia/cu13"; \
    if [ -d "$toolkit" ]; then \
        uv pip install --constraints constraints.txt 'cuda-toolkit[cccl,nvcc]' \
        && ln -s lib "$toolkit/lib64" \
        && ln -s libcudart.so.13 "$toolkit/lib/libcudart.so"; \
    fi

COPY README.md LICENSE ./
COPY arctic_text2sql_r1 arctic_text2sql_r1
RUN --mount=type=cache,target=/var/cache/uv \
    uv pip install --no-deps .

FROM base AS final
# Debian deletes a version from its mirrors as soon as there is a fix, so a pinned one would soon not build.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

# Volumes of Docker take over owner and mode of the folders that they are mounted on; the uid is that of the first user
# of most machines, for folders of the machine that are mounted instead.
RUN useradd --uid 1000 --home-dir /app --no-create-home --shell /bin/bash text2sql \
    && mkdir -p /app/data /app/runs /cache \
    && chown text2sql:text2sql /app /app/data /app/runs /cache

COPY --from=build /app/.venv /app/.venv
COPY --chown=text2sql:text2sql projects /app/projects

# Everything that is fetched or compiled goes to /cache, all results to /app/runs. One thread per rank: more threads than
# cores make generation on CPUs many times slower; raise it where cpu_adam updates all weights of a large model.
# hadolint ignore=DL3064 # TOKENIZERS_PARALLELISM is no token
ENV CUDA_HOME=/app/.venv/lib/python3.11/site-packages/nvidia/cu13 \
    HF_HOME=/cache/huggingface \
    OMP_NUM_THREADS=1 \
    PYTHONUNBUFFERED=1 \
    TOKENIZERS_PARALLELISM=false \
    TORCH_EXTENSIONS_DIR=/cache/torch_extensions \
    TRITON_CACHE_DIR=/cache/triton \
    WANDB_DIR=/app/runs \
    XDG_CACHE_HOME=/cache

# The uid as a number, so that Kubernetes can tell that it is not root.
USER 1000:1000
WORKDIR /app/projects/arctic_text2sql_r1
VOLUME ["/app/data", "/app/runs", "/cache"]
# No HEALTHCHECK: these are commands that end, not servers.
CMD ["text2sql-r1", "--help"]
