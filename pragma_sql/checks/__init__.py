"""The gate behind the contract: rules, their violations, quarantine and the verdict."""
