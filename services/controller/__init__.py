"""The background process: mirror sync, action executor, project discovery."""
