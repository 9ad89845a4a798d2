sm = "a name of the program's own"
frame = pd.DataFrame({"a": np.arange(3)})
print(int(frame["a"].sum()), json.dumps({"pi": round(math.pi, 2)}), sm, pathlib.Path("x").name, os.getcwd())
