# Consumer groups under faults, and user interfaces.
.PHONY: test-groups
test-groups: stack-tools build ## histories of consumer groups of all sizes under faults, and a thousand groups (5 minutes)
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 15m -v ./tests/groups -args -seed=$(SEED) | grep -v '^=== '; exit $${PIPESTATUS[0]}

.PHONY: test-ui
test-ui: apache-kafka system-packages build ## Kaskade in a terminal, and every method of Java's Admin
	@$(MAKE) -s $(CACHE)/kaskade/installed
	go test -tags stack -count=1 -timeout 10m -v ./tests/ui | grep -v '^=== '; exit $${PIPESTATUS[0]}

$(CACHE)/kaskade/installed: tests/ui/requirements.txt
	@echo "installing Kaskade"
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	@cp $< $@
