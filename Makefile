# Each target sets up .venv by itself; a second time that costs nothing.
.PHONY: run test lint deps report plots results serve bench tensorboard verify lock audit
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PYTHON ?= python3.11

run: .venv/.installed            ## the whole pipeline, then its metrics as a table
	dvc repro
	python -m market.summarize

test: .venv/.installed           ## the whole suite, on two processes
	python -m pytest -n 2 --dist loadgroup

lint: .venv/.installed           ## style and types; win32: no name that only Linux has
	ruff format --check .
	ruff check .
	mypy
	mypy --platform win32 --cache-dir .mypy_cache/win32 market stages

report: .venv/.installed          ## report/index.html: data, curves, mistakes with photos, prices, results
	dvc repro report

plots: .venv/.installed           ## dvc_plots/index.html, which shows without network too
	test -x .plots/bin/python || $(PYTHON) -m venv .plots
	.plots/bin/python -m pip install --quiet vl-convert-python==1.9.0.post1
	mkdir -p dvc_plots
	.plots/bin/python -c "import vl_convert; \
		print(vl_convert.javascript_bundle('window.vegaEmbed = vegaEmbed;', '5.20'))" > dvc_plots/vega.js
	dvc plots show --html-template .dvc/offline.html

results: .venv/.installed        ## the real marketplace; `dvc exp run -S dataset=sample` goes back
	dvc pull data/marketplace/raw
	for seed in 1 2; do dvc exp run -S dataset=marketplace -S merge.seed=$$seed && \
		python -m market.summarize --save results/marketplace/splits/$$seed || exit 1; done
	dvc exp run -S dataset=marketplace -S merge.seed=42
	python -m market.summarize --save results/marketplace --readme results/marketplace \
		--card docs/model-card.md

serve: .venv/.installed          ## search at http://127.0.0.1:8000, over what `make run` made
	python -m uvicorn --app-dir stages market.service.app:create_app --factory

bench: .venv/.installed          ## speed, growth, DVC's own cost; searches; recommendations
	dvc pull data/marketplace/raw
	python benchmarks/stages.py --write
	python benchmarks/growth.py --write
	python benchmarks/dvc_cost.py --write
	python benchmarks/latency.py --listings 6000 --listings 100000 --listings 1000000
	python benchmarks/interactions.py --log data/sample/raw/interactions.csv

tensorboard: .venv/.installed
	tensorboard --logdir runs

# DVC trusts an object that it has made read-only, and a hash while size and time stay the same.
verify: .venv/.installed         ## reads every byte anew; damaged objects leave DVC's cache
	mkdir -p data models plots report
	cache="$$(dvc cache dir)/files/md5" && mkdir -p "$$cache" && cd "$$cache" && \
		find . -type f -exec md5sum {} + | awk '{ name = $$2; \
		gsub(/[.\/]|dir$$/, "", name); \
		if (length(name) == 32 && name !~ /[^0-9a-f]/ && name != $$1) print $$2 }' | xargs rm -fv
	find data models plots report -type f -exec touch {} +
	dvc status

deps: .venv/.installed           ## writes the modules that each stage imports into dvc.yaml
	python -m market.core.dependencies

lock: .venv/.installed           ## requirements.lock anew, after a change of requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --native-tls --output-file requirements.lock requirements.txt

audit:                           ## known vulnerabilities of what the lock holds; asks PyPI
	test -x .audit/bin/pip-audit || $(PYTHON) -m venv .audit
	.audit/bin/python -m pip install --quiet pip-audit==2.10.1
	.audit/bin/pip-audit --require-hashes --disable-pip -r requirements.lock

# The lock holds everything that requirements.txt draws in, with the hash of every file.
.venv/.installed: requirements.lock pyproject.toml
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --require-hashes -r requirements.lock
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
