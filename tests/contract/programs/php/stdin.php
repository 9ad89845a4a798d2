<?php
echo fgets(STDIN) === false ? "eof\n" : "data\n";
