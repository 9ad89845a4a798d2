import matplotlib
import numpy
import pandas

matplotlib.use("Agg")
import matplotlib.pyplot as plt

plt.plot(numpy.arange(3))
plt.savefig("chart.png")
pandas.DataFrame({"a": [1, 2]}).to_csv("table.csv", index=False)
print(open("chart.png", "rb").read(8) == b"\x89PNG\r\n\x1a\n", open("table.csv").read().split())
