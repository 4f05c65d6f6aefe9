# Two commands do all the set-up on a machine with only Python 3.11+ and make: `make run` and `make test`.
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .uv/bin/uv
RUN := .venv/bin/
CODE := $(shell find gateway -name '*.py')
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := 1
.DEFAULT_GOAL := help

.PHONY: help run test check lock format clean simulate simulate-mutants planted accuracy holds bench bench-scale bench-workers bench-pricing memory held settling bench-queue slots

help:                     ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

run: .venv/.ready         ## the gateway on 127.0.0.1:8080 (in front of the sandbox without EACHLABS_API_KEY)
	@$(RUN)gateway serve --demo

test: .venv/.ready check  ## every check and every test, against a real store: JOBS=2, how many at a time
	$(RUN)pytest --numprocesses $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder

check: .venv/.ready       ## format, lint, types, floors, dead code, policies
	$(RUN)ruff format --check .
	$(RUN)ruff check .
	$(RUN)mypy
	$(RUN)lint-imports
	$(RUN)vulture
	$(RUN)gateway check --policies policies

simulate: .venv/.ready    ## the ledger and its actors under seeded faults: SEEDS=200 START=0 FAILOVERS=1
	PYTHONPATH=tests $(RUN)python -m simulation --seeds $(or $(SEEDS),20) --start $(or $(START),0) $(if $(FAILOVERS),--failovers)

simulate-mutants: .venv/.ready  ## break the ledger's scripts one by one, and see the simulation find each
	PYTHONPATH=tests $(RUN)python -m simulation.mutants

holds: .venv/.ready       ## random inputs of every model: no hold below what the run then costs: INPUTS=1000000 START=0
	PYTHONPATH=tests $(RUN)python -m pricing.holds --inputs $(or $(INPUTS),100000) --start $(or $(START),0)

planted: .venv/.ready     ## take each protection of tests/pains out of a copy, and see its test turn red (minutes)
	PYTHONPATH=tests $(RUN)python -m pains.planted

accuracy: .venv/.ready    ## how exactly budgets are kept, ours and LiteLLM's side by side: FLAGS="--seeds 1"
	$(RUN)python -m benchmarks.accuracy $(FLAGS)

bench: .venv/.ready       ## speed, ours and that of proxies that are installed, side by side (12 minutes): FLAGS="--rounds 1"
	$(RUN)python -m benchmarks.speed --output benchmarks/speed.md $(FLAGS)

bench-scale: .venv/.ready  ## what a create costs as tenants, limits, open predictions and models grow
	$(RUN)python -m benchmarks.scale $(FLAGS)

bench-workers: .venv/.ready ## what a request costs with 1, 2 and 4 workers on one store
	$(RUN)python -m benchmarks.workers

bench-pricing: .venv/.ready  ## time that pricing takes of a create
	$(RUN)python -m benchmarks.pricing

memory: .venv/.ready      ## what an ended prediction takes of the store's memory: FLAGS="--server redis-server"
	$(RUN)python -m benchmarks.memory $(FLAGS)

held: .venv/.ready        ## what a synchronous run that is held open takes of a worker's memory: FLAGS="--runs 500"
	$(RUN)python -m benchmarks.held $(FLAGS)

settling: .venv/.ready    ## how soon after its end what nobody polls is settled, and what upstream is asked for that: FLAGS="--predictions 300"
	$(RUN)python -m benchmarks.settling $(FLAGS)

bench-queue: .venv/.ready ## how fairly tenants share scarce upstream slots while they wait, two gateways (3 minutes)
	$(RUN)python -m benchmarks.queueing $(FLAGS)

slots: .venv/.ready       ## what upstream sees in any 60 s and at once, by its own record, two gateways: FLAGS="--minutes 10"
	$(RUN)python -m benchmarks.slots $(FLAGS)

format: .venv/.ready      ## put the code into its form
	$(RUN)ruff format .
	$(RUN)ruff check --fix .

lock: $(UV)               ## take newer versions of the dependencies
	$(UV) lock --upgrade

clean:                    ## remove what make made; the ledger in .gateway stays
	rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache

$(UV):
	@echo "setting up: uv $(UV_VERSION)"
	@$(PYTHON) -m venv .uv
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# Compiled here, once: where PYTHONDONTWRITEBYTECODE is set, Python would do it at every start, for longer than all else.
.venv/.ready: .venv/.synced $(CODE)
	@$(RUN)python -m compileall -q gateway
	@touch $@

.venv/.synced: pyproject.toml uv.lock | $(UV)
	@echo "setting up: the locked dependencies into .venv"
	@$(UV) sync --quiet --frozen --compile-bytecode --python $(PYTHON)
	@touch $@
