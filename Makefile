# firnlog: `make` alone prints the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Programs that tests need are built once per machine and kept outside the checkout.
TOOLS ?= $(HOME)/.cache/firnlog/bin
export PATH := $(TOOLS):$(PATH)
GOLANGCI_VERSION ?= v2.15.0
VERSITYGW_VERSION ?= v1.8.0
# The last version of MinIO's repository, which is no longer maintained.
MINIO_VERSION ?= v0.0.0-20260212201848-7aac2a2c5b7c
# Apache Kafka's jars, of the version that the pom names.
KAFKA_POM := tests/apachekafka/pom.xml
KAFKA_HOME := $(HOME)/.cache/firnlog/kafka-$(shell sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' $(KAFKA_POM))
SEED ?= 1

.PHONY: help
help: ## print the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## build bin/firnlog
	go build -trimpath -o bin/firnlog ./cmd/firnlog

.PHONY: run
run: build ## build and run a broker with everything it needs in one process (data in ./.firnlog)
	./bin/firnlog dev

# Functions for this machine, beside bin/firnlog, where `firnlog stack up` looks for them.
.PHONY: functions-local
functions-local:
	rm -rf bin/functions && mkdir -p bin/functions
	go build -tags lambda.norpc -trimpath -ldflags '-s -w' -o bin/functions $(patsubst %/main.go,./%,$(wildcard functions/*/main.go))

STACK_ARGS ?=
.PHONY: stack
stack: $(TOOLS)/minio $(TOOLS)/etcd build functions-local ## everything on this machine: MinIO, etcd, two brokers, the functions, a queue (Ctrl-C stops it; STACK_ARGS=--detach does not wait)
	@./bin/firnlog stack up $(STACK_ARGS)

.PHONY: stack-down
stack-down: ## stop it from elsewhere; data stays in ./.firnlog-stack
	@./bin/firnlog stack down

.PHONY: test
test: ## all tests that need nothing but Go
	go vet ./...
	go test ./...
	go test -tags ablate ./sim -run MissesEvery -count=1

.PHONY: race
race: ## the same under the race detector
	go test -race ./...

.PHONY: test-stack
test-stack: stack-tools matrix-quick rest-clients infra-check ## real MinIO, versitygw, etcd, brokers as processes, kcat, franz-go, Python, Java
	go build -trimpath -o bin/firnlog ./cmd/firnlog
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 18m -p 1 -skip '^TestRollingOthers' ./objectstore/... ./tests/stack/...
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 5m -run TestHistory_InShort ./tests/groups
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 5m -run 'TestFaults_InShort|TestLinear|TestProgram|TestPairs|TestReport' ./tests/faults
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 6m -parallel 3 -run 'TestClients|TestTransactions|TestExactlyOnce' ./tests/clients -args -quick
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 3m -run TestEtcd_ ./tests/auth
	go test -tags stack -count=1 -timeout 4m ./tests/rest -args -seconds=12
	@$(MAKE) -s test-console

EPISODES ?= 63
# Judged runs, outside the checkout; their totals are printed.
FAULTS ?= $(HOME)/.cache/firnlog/faults.jsonl
.PHONY: test-faults
test-faults: stack-tools ## clients of three libraries while brokers, etcd and MinIO break: make test-faults EPISODES=n (some 15 s each)
	go build -trimpath -o bin/firnlog ./cmd/firnlog
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 24h -v -run 'TestFaults$$' ./tests/faults -args -episodes=$(EPISODES) -results=$(FAULTS) -commit=$$(git rev-parse --short HEAD) | grep -v '^=== '; exit $${PIPESTATUS[0]}

ROUNDS ?= 5
.PHONY: test-rolling
test-rolling: stack-tools build ## rolling restarts of three brokers under load: no client of three libraries may notice (make test-rolling ROUNDS=n, some two minutes each)
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 2h -v -run '^TestRolling' ./tests/stack -args -rounds=$(ROUNDS) | grep -v '^=== '; exit $${PIPESTATUS[0]}

.PHONY: faults-report
faults-report: ## write what all of them have come to into docs/RELIABILITY.md
	go test -tags stack -count=1 -run '^TestFaultsReport$$' ./tests/faults -args -results=$(FAULTS) -report=$(CURDIR)/docs/RELIABILITY.md

.PHONY: test-differential
test-differential: apache-kafka ## the same requests to firnlog and to Apache Kafka: every field of the answers
	go test -tags stack -count=1 -timeout 10m -v ./tests/differential | grep -v '^=== '; exit $${PIPESTATUS[0]}

.PHONY: test-tools
test-tools: apache-kafka build ## Apache Kafka's command-line tools against firnlog dev
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 10m -skip TestFigures ./tests/apachekafka
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 10m ./tests/auth

# What is built for exact replay: the installed Go's own files, some of them changed (sim/replay/overlay).
REPLAY ?= $(HOME)/.cache/firnlog/replay
REPLAY_FLAGS = -overlay $(REPLAY)/overlay.json -tags replay

.PHONY: sim
sim: ## the simulated histories of one seed, the same to the last call each time: make sim SEED=n
	go run ./sim/replay/overlay -to $(REPLAY)
	go test -c $(REPLAY_FLAGS) -o $(REPLAY)/sim.test ./sim
	cd sim && GOMAXPROCS=1 $(REPLAY)/sim.test -test.run 'Test(Sim|Queues|Groups)$$' -test.v -seed=$(SEED)

# Totals of simulated histories over all runs, outside the checkout.
SOAK ?= $(HOME)/.cache/firnlog/soak.json
MINUTES ?= 10
EXACT ?=
.PHONY: soak
soak: ## simulated histories of all workloads, on from where the last run stopped: make soak MINUTES=n (EXACT=1: on one core, and make sim replays what is wrong)
	@mkdir -p $(dir $(SOAK))
	$(if $(EXACT),go run ./sim/replay/overlay -to $(REPLAY))
	go test -c $(if $(EXACT),$(REPLAY_FLAGS)) -o $(SOAK).test ./sim/soak
	$(if $(EXACT),GOMAXPROCS=1) $(SOAK).test -test.run '^TestSoak$$' -test.timeout 0 -minutes=$(MINUTES) -state=$(SOAK) -commit=$$(git rev-parse --short HEAD)

.PHONY: soak-report
soak-report: ## write what all of them have come to into docs/RELIABILITY.md
	go test ./sim/soak -run '^TestSoakReport$$' -count=1 -args -state=$(SOAK) -report=$(CURDIR)/docs/RELIABILITY.md

.PHONY: mutations
mutations: ## every rule of the protocol switched off, one at a time: which checker finds it, with which seed (the table of docs/TESTING.md)
	go test -tags ablate ./sim -run MissesEvery -count=1 -timeout 2h -v | grep -E '\||FAIL|^ok'; exit $${PIPESTATUS[0]}

.PHONY: month
month: ## a month of 200 topics with all policies, in some ten minutes: draws docs/month.svg and prints the tables of docs/FIGURES.md
	go test ./sim/month -run 'Month_OfAllPolicies' -count=1 -timeout 60m -v -args -month -draw=$(CURDIR)/docs/month.svg

.PHONY: figures-life
figures-life: ## requests and dollars of a GiB and a TiB through the whole life (minutes, 10 GiB of memory)
	go test ./sim/month -run Life -count=1 -timeout 60m -v -args -life

.PHONY: test-kills
test-kills: ## every maintenance job killed at each of its steps in three ways (some minutes)
	go test ./sim/month -run Kill -count=1 -timeout 60m -v -args -kills

.PHONY: demo
demo: stack-tools ## produce and read real data with kcat, franz-go and Python, over three brokers on MinIO and etcd
	go build -trimpath -o bin/firnlog ./cmd/firnlog
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -v -run TestDemo ./tests/stack/ | grep -v '^=== '; exit $${PIPESTATUS[0]}

.PHONY: figures
figures: stack-tools ## time of starts and restarts, cost of more brokers, memory of idle and stuck clients
	go build -trimpath -o bin/firnlog ./cmd/firnlog
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -v -run 'TestFigures|TestIdle|TestStuck' ./tests/stack/ | grep -v '^=== '; exit $${PIPESTATUS[0]}

.PHONY: figures-functions
figures-functions: stack-tools ## functions cold, after a minute frozen without any broker, 50 at once, and beside brokers that commit 500 times a second (6 minutes)
	go build -trimpath -o bin/firnlog ./cmd/firnlog
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 20m -v -run 'TestFunctions_(EveryOne|FrozenUntil|ColdBeside)' ./tests/stack/ -args -freeze=60s -at-once=50 -rate=500 -busy=120s | grep -v '^=== '; exit $${PIPESTATUS[0]}

.PHONY: figures-scale
figures-scale: stack-tools ## what one instance and etcd do in clusters of up to 1,000 instances and 100,000 partitions (3 minutes)
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 15m -v ./bench/scale -args -scale | grep -v '^=== '; exit $${PIPESTATUS[0]}

.PHONY: figures-transactions
figures-transactions: stack-tools apache-kafka ## time of ending a transaction over 1, 100 and 5,000 partitions, beside Apache Kafka (4 minutes)
	go build -trimpath -o bin/firnlog ./cmd/firnlog
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 15m -v -run TestFigures ./tests/apachekafka | grep -v '^=== '; exit $${PIPESTATUS[0]}

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## gofmt and golangci-lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	golangci-lint run ./...
	golangci-lint run --build-tags stack,ablate ./...

.PHONY: fuzz
fuzz: ## each fuzz test for FUZZTIME (default 30s)
	@for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep ^Fuzz); do echo "$$p $$f"; go test $$p -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-30s} || exit 1; done; done

SECONDS ?= 300
.PHONY: fuzz-server
fuzz-server: ## a whole server and spoilt conversations of real clients: make fuzz-server SECONDS=n
	go test ./tests/frames -count=1 -timeout 24h -run '^TestServer_' -v -args -seconds=$(SECONDS) | grep -v '^=== '; exit $${PIPESTATUS[0]}
	go test ./tests/frames -timeout 24h -run '^$$' -fuzz '^FuzzServer$$' -fuzztime $(SECONDS)s

.PHONY: capture-frames
capture-frames: build stack-tools ## the conversations of real clients that fuzz-server spoils, anew
	go test -tags stack ./tests/frames -count=1 -run '^TestCapture_' -v -args -capture | grep -v '^=== '; exit $${PIPESTATUS[0]}

.PHONY: tools
tools: stack-tools $(TOOLS)/golangci-lint ## programs that tests need, once per machine

.PHONY: stack-tools
stack-tools: $(TOOLS)/minio $(TOOLS)/versitygw $(TOOLS)/etcd clients

$(TOOLS)/golangci-lint:
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

$(TOOLS)/versitygw:
	GOBIN=$(TOOLS) go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION)

$(TOOLS)/minio:
	@echo "building MinIO: some minutes, once per machine"
	GOBIN=$(TOOLS) go install github.com/minio/minio@$(MINIO_VERSION)

$(TOOLS)/etcd: localstack/etcd/cmd/main.go go.mod
	go build -trimpath -o $@ ./localstack/etcd/cmd

.PHONY: apache-kafka
apache-kafka: ## Apache Kafka itself with its tools, once per machine
	@cmp -s $(KAFKA_POM) $(KAFKA_HOME)/pom.xml || { echo "fetching Apache Kafka"; \
		mvn -q -B -f $(KAFKA_POM) dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(KAFKA_HOME) && cp $(KAFKA_POM) $(KAFKA_HOME)/pom.xml; }

# What tests/stack finds below ~/.cache/firnlog: a virtual environment with the Python client, jars of the Java one, data of
# the demonstration. Each is made anew when the file changes that names its version.
CLIENTS := tests/stack/clients
CACHE := $(HOME)/.cache/firnlog

.PHONY: clients
clients: system-packages
	@$(MAKE) -s $(CACHE)/python/installed $(CACHE)/java/installed $(CACHE)/npm/installed

$(CACHE)/python/installed: $(CLIENTS)/requirements.txt
	@echo "installing the Python client"
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	@cp $< $@

$(CACHE)/java/installed: $(CLIENTS)/pom.xml
	@echo "fetching the Java client"
	rm -rf $(@D)
	mvn -q -B -f $< dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(@D)
	@cp $< $@

$(CACHE)/npm/installed: $(CLIENTS)/package.json
	@echo "fetching data"
	@mkdir -p $(@D) && cp $< $(@D)/package.json
	npm install --silent --no-audit --no-fund --prefix $(@D)
	@cp $< $@

# Debian's packages, where their programs are missing.
.PHONY: system-packages
system-packages:
	@missing=""; \
	for need in kcat:kcat tmux:tmux chromium:chromium javac:default-jdk-headless mvn:maven npm:npm python3:python3; do \
		command -v $${need%%:*} >/dev/null || missing="$$missing $${need##*:}"; \
	done; \
	python3 -c 'import venv, ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	[ -z "$$missing" ] || { echo "installing$$missing"; apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; }

.PHONY: docs-metrics
docs-metrics: ## write docs/METRICS.md from the code
	go test ./core/telemetry -run TestDocument -count=1 -update

include tests/clients/clients.mk
include tests/ui/ui.mk
include tests/rest/rest.mk
include infra/infra.mk
include bench/bench.mk
include infra/release.mk

# Lambda's functions as it takes them: one zip each with a program for arm64 called bootstrap. The layout is reproducible, so that an
# unchanged function is an unchanged zip.
FUNCTIONS := $(patsubst functions/%/main.go,%,$(wildcard functions/*/main.go))
ZIP_BYTES_MAX := 15728640
.PHONY: package
package: ## the Lambda functions as zips in dist/, for arm64, at most 15 MiB each
	@for f in $(FUNCTIONS); do \
		mkdir -p dist/$$f && GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -tags lambda.norpc -trimpath -ldflags '-s -w -buildid=' -o dist/$$f/bootstrap ./functions/$$f || exit 1; \
		touch -d 2000-01-01 dist/$$f/bootstrap && rm -f dist/$$f.zip && (cd dist/$$f && python3 -m zipfile -c ../$$f.zip bootstrap) || exit 1; \
		size=$$(stat -c %s dist/$$f.zip); echo "dist/$$f.zip $$size bytes"; \
		[ $$size -le $(ZIP_BYTES_MAX) ] || { echo "larger than 15 MiB"; exit 1; }; \
	done

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin dist
