<?php
mkdir(__DIR__ . "/out/deep", 0755, true);
file_put_contents(__DIR__ . "/out/deep/bytes.bin", implode("", array_map("chr", range(0, 255))));
