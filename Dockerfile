# Runs the pipeline in a container:
#   docker build -t marketplace . && docker run --rm marketplace
# To serve, run `docker run --rm -p 8000:8000 ...` with the command of `make serve` and
# --host 0.0.0.0. The image takes 8 GB, including torch's CUDA libraries; docs/install.md has smaller
# installations. Another Python: docker build --build-arg PYTHON=3.13 -t marketplace .
# Tested with buildah on a Debian 12 made by debootstrap, where `make run` gave the metrics of this
# repository. The python:…-slim images themselves were not tested, because no registry could be reached.
ARG PYTHON=3.11
FROM python:${PYTHON}-slim
# git: DVC needs a git repository. libgomp1: LightGBM needs it.
RUN apt-get update && apt-get install -y --no-install-recommends git libgomp1 make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home shop && install -d -o shop /home/shop/project
USER shop
WORKDIR /home/shop/project
COPY --chown=shop requirements.lock pyproject.toml Makefile ./
COPY --chown=shop market market
RUN make .venv/.installed
COPY --chown=shop . .
CMD ["make", "run"]
