import helper
import package.part

print("imported", helper.VALUE + package.part.VALUE)
