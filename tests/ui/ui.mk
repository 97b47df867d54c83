# Consumer groups under faults, and user interfaces.
.PHONY: test-groups
test-groups: stack-tools build ## histories of consumer groups of all sizes under faults, and a thousand groups (5 minutes)
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 15m -v ./tests/groups -args -seed=$(SEED) | grep -v '^=== '; exit $${PIPESTATUS[0]}

# Where pictures of the console go: make test-console SCREENSHOTS=folder
SCREENSHOTS ?=
.PHONY: test-console
test-console: system-packages build ## the console in chromium: every page, search, keyboard, axe-core (SCREENSHOTS=folder keeps pictures)
	@$(MAKE) -s $(CACHE)/axe/installed
	go test -tags stack -count=1 -timeout 5m -run TestConsole ./tests/ui $(if $(SCREENSHOTS),-args -screenshots=$(abspath $(SCREENSHOTS)))

.PHONY: test-ui
test-ui: apache-kafka system-packages build ## Kaskade in a terminal, every method of Java's Admin, the console in chromium
	@$(MAKE) -s $(CACHE)/kaskade/installed $(CACHE)/axe/installed
	go test -tags stack -count=1 -timeout 10m -v ./tests/ui $(if $(SCREENSHOTS),-args -screenshots=$(abspath $(SCREENSHOTS))) | grep -v '^=== '; exit $${PIPESTATUS[0]}

$(CACHE)/kaskade/installed: tests/ui/requirements.txt
	@echo "installing Kaskade"
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	@cp $< $@

$(CACHE)/axe/installed: tests/ui/package.json
	@echo "installing axe-core"
	@mkdir -p $(@D) && cp $< $(@D)/package.json
	npm install --silent --no-audit --no-fund --prefix $(@D)
	@cp $< $@
