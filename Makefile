# make app     set everything up and start the app
# make test    set everything up, a browser included, and run the tests; test-slow: the long journeys too
# make test-cluster  what runs on a Ray cluster, on a real one of this machine; some ten minutes
# make test Q=q13   the tests of one question: its content, its lab, its pages; without a browser
# make quick   what one minute can tell: content, words, claims, every lab's contract, the model, the layers;
#              no browser, no training, no tests of a single question
# make lint    style, types and import directions only
# make bench   the speeds we promise, measured here
# make soak    half an hour of mixed load on the service, ten minutes of crowds and killed workers on the app;
#              make soak MINUTES=5 DEVICE=cuda, other options by SOAK="--slots 64 --processes 8"
# make team    the app as a team runs it, all on this machine: two processes, nginx, PostgreSQL and a login
# make wrk     our load client beside wrk (apt-get install wrk), in turn at one service
#
# Made for Debian and Ubuntu with Python 3.11 or newer; macOS is best effort (no apt: bring a compiler,
# playwright brings its browser). Windows: see README.md. To choose another build of torch, for example
# without CUDA: make app TORCH_INDEX=https://download.pytorch.org/whl/cpu

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
CORES := $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
JOBS ?= $(shell [ $(CORES) -gt 4 ] && echo 4 || echo $(CORES))
LINTERS := tests/test_architecture.py::test_the_linters_find_nothing
VISIT := tests/test_architecture.py::test_torch_is_absent_after_visiting_every_page
APT := $(if $(filter 0,$(shell id -u)),,sudo )apt-get

# Compiled modules are kept, whatever the environment says: the tests start some fifty processes.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 nice -n 19 $(BIN)/python -m pytest -n $(JOBS) \
	--dist loadfile --no-loadscope-reorder

.PHONY: app test test-slow test-cluster quick lint bench soak team wrk system

app: $(VENV)/app.stamp
	$(BIN)/streamlit run app.py

ifdef Q
# Files, experiments and pages are called by q06, claims by Q6-C1.
test: $(VENV)/dev.stamp
	$(PYTEST) --ignore=tests/browser -k "$(Q) or $(patsubst Q0%,Q%,$(Q:q%=Q%))-"
else
test: $(VENV)/dev.stamp system
	$(PYTEST)
endif

# No tests of a single question, of the runner, of pages in action, or that start processes or a store.
quick: $(VENV)/dev.stamp
	$(PYTEST) $(filter-out %/test_console.py,$(wildcard tests/test_*.py)) tests/minimind_core/model \
		tests/questions tests/study tests/labs tests/pages/words tests/pages/test_home.py \
		--deselect=$(LINTERS) --deselect=$(VISIT) --ignore=tests/labs/runner --ignore=tests/labs/tools \
		--ignore-glob='*/q[0-9]*' --ignore-glob='*/test_q[0-9]*' --ignore-glob='*/test_store_*' \
		--ignore-glob='*/test_playground.py' --ignore-glob='*/test_command_line.py' \
		--ignore-glob='*/test_new_question.py'

test-slow: $(VENV)/dev.stamp system
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

test-cluster: $(VENV)/cluster.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m cluster

lint: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev.stamp system
	$(BIN)/python -m minimind_core bench
	$(BIN)/python -m tests.browser.bench

soak: $(VENV)/dev.stamp
	$(BIN)/python -m serving soak --minutes $(or $(MINUTES),30) --device $(or $(DEVICE),auto) $(SOAK)
	$(BIN)/python -m tests.browser.soak $(MINUTES)

team: $(VENV)/dev.stamp system
	$(BIN)/python -m tests.browser.team

wrk: $(VENV)/dev.stamp
	$(BIN)/python -m tests.serving.load.against_wrk

$(VENV)/app.stamp: requirements.txt $(VENV)/made.stamp
	$(if $(TORCH_INDEX),$(BIN)/pip install --quiet "$$(grep '^torch==' requirements.txt)" --index-url $(TORCH_INDEX))
	$(BIN)/pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/app.stamp
	$(BIN)/pip install --quiet -r requirements-dev.txt
	@touch $@

$(VENV)/cluster.stamp: requirements-cluster.txt $(VENV)/dev.stamp
	$(BIN)/pip install --quiet -r requirements-cluster.txt
	@touch $@

# Debian's Python comes without venv; a failed first try leaves a broken folder behind.
$(VENV)/made.stamp:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed; none was found."; exit 1; }
	$(PYTHON) -m venv $(VENV) || { $(APT) update -qq && $(APT) install -y -qq python3-venv && \
		$(PYTHON) -m venv --clear $(VENV); }
	@touch $@

# A browser for the browser tests, a PostgreSQL server for those of the store, redis-server and nginx for those of
# the service, and a compiler with Python's headers for torch.compile, where missing.
system: $(VENV)/dev.stamp
	@need=""; \
	$(BIN)/python -m tests.browser.chromium >/dev/null || need="$$need chromium"; \
	$(BIN)/python -m tests.study.postgres >/dev/null || need="$$need postgresql"; \
	$(BIN)/python -m tests.serving.scaleout.redis_server >/dev/null 2>&1 || need="$$need redis-server nginx"; \
	command -v c++ >/dev/null || need="$$need g++"; \
	$(BIN)/python -c 'import pathlib, sysconfig, sys; \
		sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' || \
		need="$$need python3-dev"; \
	if [ -n "$$need" ] && command -v apt-get >/dev/null; then \
		$(APT) update -qq && $(APT) install -y -qq $$need; \
	fi
	@$(BIN)/python -m tests.browser.chromium >/dev/null || $(BIN)/playwright install chromium
