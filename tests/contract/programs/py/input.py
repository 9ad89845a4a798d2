for path in ("x", "/mnt/data/x"):
    with open(path) as file:
        print(file.read())
