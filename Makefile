# Each target sets up .venv first, which costs nothing the second time.
.PHONY: run test unit lint deps report plots results serve bench tensorboard verify lock audit
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# The newest supported Python of this machine; requires-python in pyproject.toml has the same range.
SUPPORTED = import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
NEWEST = for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done
PYTHON ?= $(or $(shell $(NEWEST)),$(error no Python 3.11 to 3.14 on the PATH: install one, or name \
	it: make PYTHON=/path/to/python3))

run: .venv/.installed            ## run the whole pipeline, then print its scores as a table
	dvc repro
	python -m market.summarize

test: .venv/.installed           ## run the test suite (all but campaigns) in two processes
	python -m pytest -n 2 --dist loadgroup

unit: .venv/.installed           ## run the quick unit tests alone, in a minute
	python -m pytest -n 2 tests/unit -m "not slow and not campaign"

lint: .venv/.installed           ## check style and types; win32 finds names that only Linux has
	ruff format --check .
	ruff check .
	mypy
	mypy --platform win32 --cache-dir .mypy_cache/win32 market stages

report: .venv/.installed          ## write report/index.html: data, curves, mistakes with photos, prices, scores
	dvc repro report

plots: .venv/.installed           ## write dvc_plots/index.html, which needs no network to show
	test -x .plots/bin/python || $(PYTHON) -m venv .plots
	.plots/bin/python -m pip install --quiet vl-convert-python==1.9.0.post1
	mkdir -p dvc_plots
	.plots/bin/python -c "import vl_convert; \
		print(vl_convert.javascript_bundle('window.vegaEmbed = vegaEmbed;', '5.20'))" > dvc_plots/vega.js
	dvc plots show --html-template .dvc/offline.html

results: .venv/.installed        ## run three splits of the real marketplace, then write README, results/, model card
	dvc pull data/marketplace/raw
	for seed in 1 2; do dvc exp run -S dataset=marketplace -S merge.seed=$$seed && \
		python -m market.summarize --save results/marketplace/splits/$$seed || exit 1; done
	dvc exp run -S dataset=marketplace -S merge.seed=42
	python -m market.summarize --save results/marketplace --readme results/marketplace \
		--card docs/model-card.md

serve: .venv/.installed          ## serve search at http://127.0.0.1:8000, after `make run`
	python -m uvicorn market.service.app:create_app --factory

bench: .venv/.installed          ## measure speed, growth, DVC's own cost, searches, recommendations
	dvc pull data/marketplace/raw
	python benchmarks/stages.py --write
	python benchmarks/growth.py --write
	python benchmarks/dvc_cost.py --write
	python benchmarks/latency.py --listings 6000 --listings 100000 --listings 1000000
	python benchmarks/interactions.py --log data/sample/raw/interactions.csv

tensorboard: .venv/.installed    ## show curves, the graph and a projector of photos
	tensorboard --logdir runs

# DVC trusts an object that it has made read-only, and a hash as long as size and time of the file
# stay the same. So damage on the disk goes unnoticed unless every byte is read again.
verify: .venv/.installed         ## read every byte again; remove damaged objects from DVC's cache
	mkdir -p data models plots report
	cache="$$(dvc cache dir)/files/md5" && mkdir -p "$$cache" && cd "$$cache" && \
		find . -type f -exec md5sum {} + | awk '{ name = $$2; \
		gsub(/[.\/]|dir$$/, "", name); \
		if (length(name) == 32 && name !~ /[^0-9a-f]/ && name != $$1) print $$2 }' | xargs rm -fv
	find data models plots report -type f -exec touch {} +
	dvc status

deps: .venv/.installed           ## write the modules that each stage imports into dvc.yaml
	python -m market.core.dependencies

lock: .venv/.installed           ## write requirements.lock, after a change of requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --native-tls --output-file requirements.lock requirements.txt

audit:                           ## look for known vulnerabilities of the locked packages; asks PyPI
	test -x .audit/bin/pip-audit || $(PYTHON) -m venv .audit
	.audit/bin/python -m pip install --quiet pip-audit==2.10.1
	.audit/bin/pip-audit --require-hashes --disable-pip -r requirements.lock

# The lock lists requirements.txt and all its dependencies, with the hash of every file. The package
# market/ is installed in place, so every script and test imports it by name.
.venv/.installed: requirements.lock pyproject.toml
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --require-hashes -r requirements.lock
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
