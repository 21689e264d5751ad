raise RuntimeError("no such project")
