# Built, and its `make run` run to the metrics of this repository, by buildah on a Debian 12 that
# debootstrap made: where it was written no registry can be reached, so python:3.11-slim is untried.
# The image takes 8 GB, torch's CUDA libraries among them.
#   docker build -t marketplace . && docker run --rm marketplace
# then `docker run --rm -p 8000:8000 ... ` with the command of `make serve` and --host 0.0.0.0.
FROM python:3.11-slim
# git: DVC works in a git repository. libgomp1: LightGBM needs it.
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
