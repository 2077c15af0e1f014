# Each target sets up .venv by itself; a second time that costs nothing.
.PHONY: run test lint report results serve bench tensorboard
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PYTHON ?= python3.11

run: .venv/.installed            ## the whole pipeline, then its metrics as a table
	dvc repro
	python stages/summarize.py

test: .venv/.installed           ## the whole suite, on two processes
	python -m pytest -n 2 --dist loadgroup

lint: .venv/.installed           ## style and types
	ruff format --check .
	ruff check .
	mypy

report: .venv/.installed          ## report/index.html: the category model's mistakes, with photos
	dvc repro report

results: .venv/.installed        ## the real marketplace; `dvc exp run -S dataset=sample` goes back
	dvc pull data/marketplace/raw
	dvc exp run -S dataset=marketplace
	python stages/summarize.py --save results/marketplace

serve: .venv/.installed          ## search at http://127.0.0.1:8000, over what `make run` made
	python -m uvicorn --app-dir stages search.app:create_app --factory

bench: .venv/.installed          ## how fast a search is, and how good recommendations are
	python benchmarks/latency.py --listings 6000 --listings 100000 --listings 1000000
	python benchmarks/interactions.py --log data/sample/raw/interactions.csv

tensorboard: .venv/.installed
	tensorboard --logdir runs

.venv/.installed: requirements.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet -r requirements.txt
	touch $@
