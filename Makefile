# Every target works from a bare clone: scripts/bootstrap makes .venv first, and only when it must.

VENV := .venv
BIN := $(VENV)/bin
# Typed and checked; what a clone hasn't got is left out.
CODE := $(wildcard toolkit services demo tests benchmarks recordings)
# Tests that wait for the broker's clock overlap; one broker serves all workers.
# With --require-broker, tests that need a RabbitMQ fail where there is none, instead of being skipped.
PYTEST_ARGS ?= -n 4 --dist loadgroup
# Such as --quick, or --list.
BENCH_ARGS ?=

.PHONY: help recordings test conformance fuzz tls faults bench check demo docs format clean bootstrap

help:
	@echo "make demo    see it work: two services, a broker and a mail server, started and stopped for you"
	@echo "             (BROKER=memory, local, docker or amqp://... picks the broker)"
	@echo "make test    the whole suite, against a real RabbitMQ; without one, what needs none"
	@echo "make conformance  hold the broker in memory against each RabbitMQ in 2,000 random scenarios"
	@echo "make fuzz    100,000 streams of frames, cut, damaged and interleaved, for the fast lane"
	@echo "make tls     the tests that talk to a RabbitMQ, over TLS, with a certificate authority of their own"
	@echo "make faults  the tests that stop and kill a broker of their own (LONG=1: ten minutes of faults"
	@echo "             at random, and a page about them in docs/; TOOLKIT_SEED repeats a run)"
	@echo "make bench   side by side with aio-pika, FastStream and others: ten minutes, and a page about them"
	@echo "             in docs/ (BENCH_ARGS=--quick: a minute and no page)"
	@echo "make recordings  pictures of the command line for docs/, taken of the first minute, on a clock"
	@echo "make check   ruff, formatting, mypy --strict, import contracts"
	@echo "make docs    the documentation as a site, into site/ (SERVE=1: on http://localhost:8000 instead)"
	@echo "make format  let ruff mend what it can"
	@echo "make clean   remove .venv and everything generated"

bootstrap:
	@sh scripts/bootstrap

test: bootstrap
	$(BIN)/python -m pytest --install-broker -m "not private_broker and not slow" $(PYTEST_ARGS)

conformance: bootstrap
	TOOLKIT_COMPARISONS=$${TOOLKIT_COMPARISONS:-1000} $(BIN)/python -m pytest --require-broker \
		--install-broker tests/conformance $(PYTEST_ARGS)

fuzz: bootstrap
	TOOLKIT_EXAMPLES=$${TOOLKIT_EXAMPLES:-34000} $(BIN)/python -m pytest \
		tests/unit/transport/rabbitmq/test_stream.py -k "arrives_once or cut_off or damaged" $(PYTEST_ARGS)

tls: bootstrap
	$(BIN)/python -m tests.over_tls --require-broker --install-broker $(PYTEST_ARGS)

# One at a time: each of these stops, kills or starves the broker that it runs on.
faults: bootstrap
ifdef LONG
	$(BIN)/python -m tests.faults
else
	$(BIN)/python -m pytest --require-broker --install-broker -m "private_broker or slow"
endif

bench: bootstrap
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

check: bootstrap
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports

demo: bootstrap
	@$(BIN)/python -m demo $(if $(BROKER),--broker '$(BROKER)')

recordings: bootstrap
	$(BIN)/python -m recordings

docs: bootstrap
	$(BIN)/zensical $(if $(SERVE),serve,build --strict --clean)

format: bootstrap
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist site .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
