import matplotlib.pyplot as plt

plt.plot([1, 2])
plt.show()
plt.figure()
plt.plot([2, 1])
plt.figure()
plt.show()
print("shown")
