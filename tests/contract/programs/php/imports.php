<?php
require "helper.php";
echo "imported ", value() + (require __DIR__ . "/package/part.php"), "\n";
