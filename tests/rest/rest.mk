# Clients over HTTP that others wrote, and requests made from the description.
REST_CACHE := $(CACHE)/rest
SECONDS_EACH ?= 60

.PHONY: test-rest
test-rest: build rest-clients ## HTTP clients of others, and requests made from openapi.yaml by schemathesis (4 minutes)
	go test -tags stack -count=1 -timeout 15m -v ./tests/rest -args -seconds=$(SECONDS_EACH) | grep -v '^=== '; exit $${PIPESTATUS[0]}

ROUNDS ?= 10
.PHONY: fuzz-rest
fuzz-rest: build rest-clients ## requests made from openapi.yaml alone, for longer: make fuzz-rest ROUNDS=n (2 minutes each)
	go test -tags stack -count=1 -timeout 24h -v -run '^TestSchemathesis_' ./tests/rest -args -seconds=$(SECONDS_EACH) -rounds=$(ROUNDS) | grep -v '^=== '; exit $${PIPESTATUS[0]}

.PHONY: rest-clients
rest-clients: system-packages
	@$(MAKE) -s $(REST_CACHE)/python/installed $(REST_CACHE)/node/installed

$(REST_CACHE)/python/installed: tests/rest/requirements.txt
	@echo "installing HTTP clients of Python"
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	@cp $< $@

$(REST_CACHE)/node/installed: tests/rest/package.json
	@echo "installing an HTTP client of Node.js"
	@mkdir -p $(@D) && cp $< $(@D)/package.json
	npm install --silent --no-audit --no-fund --prefix $(@D)
	@cp $< $@
