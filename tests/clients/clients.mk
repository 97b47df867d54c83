# The matrix of clients: what its programs need is built once per machine into the cache, and anew when the file
# changes that names its versions. A part of it: make test-clients RUN=TestClients/each/kafka (then no table is written).
MATRIX := tests/clients
MATRIX_CACHE := $(CACHE)/clients
RUN ?= .
TARGET ?= firnlog

.PHONY: test-clients
test-clients: stack-tools matrix ## the whole matrix of clients, tools and applications; writes its tables (6 minutes)
	go build -trimpath -o bin/firnlog ./cmd/firnlog
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 45m -parallel 3 -v -run '$(RUN)' ./$(MATRIX) -args -target=$(TARGET) $(if $(filter .firnlog,$(RUN)$(TARGET)),-update-docs) | grep -v '^=== '; exit $${PIPESTATUS[0]}
	$(if $(filter .firnlog,$(RUN)$(TARGET)),@$(MAKE) test-groups test-ui)

.PHONY: matrix
matrix: apache-kafka matrix-packages
	@$(MAKE) -s $(MATRIX_CACHE)/python/installed $(MATRIX_CACHE)/node/installed $(MATRIX_CACHE)/java/installed $(MATRIX_CACHE)/bin/go $(MATRIX_CACHE)/bin/rust $(MATRIX_CACHE)/bin/librdkafka

# What the few clients need that run on each change.
.PHONY: matrix-quick
matrix-quick: apache-kafka system-packages
	@$(MAKE) -s $(MATRIX_CACHE)/python/installed $(MATRIX_CACHE)/java/installed $(MATRIX_CACHE)/bin/go

$(MATRIX_CACHE)/python/installed: $(MATRIX)/python/requirements.txt
	@echo "installing clients of Python"
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	@cp $< $@

# Linked dynamically, @confluentinc/kafka-javascript builds its librdkafka with Debian's libraries; otherwise it fetches their sources.
$(MATRIX_CACHE)/node/installed: $(MATRIX)/node/package.json
	@echo "installing clients of Node.js: some minutes, once per machine"
	@mkdir -p $(@D) && cp $< $(@D)/package.json
	CKJS_LINKING=dynamic npm install --silent --no-audit --no-fund --prefix $(@D)
	@cp $< $@

$(MATRIX_CACHE)/java/installed: $(MATRIX)/java/pom.xml $(MATRIX)/java/Client.java $(MATRIX)/java/Transactions.java
	@echo "fetching and compiling clients of Java"
	rm -rf $(@D)
	mvn -q -B -f $< dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(@D)/kafka3
	javac -d $(@D)/classes -cp '$(@D)/kafka3/*' $(filter %.java,$^)
	@cp $< $@

$(MATRIX_CACHE)/bin/go: $(shell find $(MATRIX)/golang -type f)
	@echo "building clients of Go"
	@mkdir -p $(@D)
	cd $(MATRIX)/golang && go build -o $(@D)/ ./franz ./sarama ./segmentio ./confluent
	@touch $@

$(MATRIX_CACHE)/bin/rust: $(shell find $(MATRIX)/rust -type f)
	@echo "building clients of Rust: some minutes, once per machine"
	@mkdir -p $(@D)
	cargo build --quiet --release --manifest-path $(MATRIX)/rust/Cargo.toml --target-dir $(MATRIX_CACHE)/cargo
	cp $(MATRIX_CACHE)/cargo/release/rskafka $(MATRIX_CACHE)/cargo/release/rdkafka $(@D)/
	@touch $@

$(MATRIX_CACHE)/bin/librdkafka: $(wildcard $(MATRIX)/c/*)
	@mkdir -p $(@D)
	$(CC) -O1 -Wall -o $@ $(filter %.c,$^) -lrdkafka

# Debian's packages that the builds above need; kcat and the languages come with system-packages.
.PHONY: matrix-packages
matrix-packages:
	@missing=""; \
	for package in librdkafka-dev libssl-dev zlib1g-dev libzstd-dev libcurl4-openssl-dev cmake g++ pkg-config nodejs; do \
		dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; \
	done; \
	command -v cargo >/dev/null || missing="$$missing cargo"; \
	[ -z "$$missing" ] || { echo "installing$$missing"; apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; }
