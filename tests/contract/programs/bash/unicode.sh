echo 世界
