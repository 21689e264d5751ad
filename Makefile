# For developers; the launcher does the work and keeps the environment.
.PHONY: format lint types test check

format lint types:
	@./mlops check $@

test:
	@./mlops test

check:
	@./mlops check lint types
	@./mlops test
