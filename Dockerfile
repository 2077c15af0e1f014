# Runs the pipeline in a container:
#   docker build -t marketplace . && docker run --rm marketplace
# To serve, run `docker run --rm -p 8000:8000 ...` with the command of `make serve` and
# --host 0.0.0.0. The image takes 8 GB, including torch's CUDA libraries.
# Tested with buildah on a Debian 12 made by debootstrap, where `make run` gave the metrics of this
# repository. python:3.11-slim itself was not tested, because no registry could be reached.
FROM python:3.11-slim
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
