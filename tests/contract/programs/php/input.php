<?php
foreach (["x", "/mnt/data/x"] as $path) {
    echo file_get_contents($path), "\n";
}
