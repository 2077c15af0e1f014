# Never built where it was written, which has no Docker: try it before you rely on it.
#   docker build -t marketplace . && docker run --rm marketplace
# then `docker run --rm -p 8000:8000 ... ` with the command of `make serve` and --host 0.0.0.0.
FROM python:3.11-slim
# git: DVC works in a git repository. libgomp1: LightGBM needs it.
RUN apt-get update && apt-get install -y --no-install-recommends git libgomp1 make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home shop && install -d -o shop /home/shop/project
USER shop
WORKDIR /home/shop/project
COPY --chown=shop requirements.lock Makefile ./
RUN make .venv/.installed
COPY --chown=shop . .
CMD ["make", "run"]
