print("世界")
