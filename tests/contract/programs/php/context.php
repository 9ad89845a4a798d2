<?php
declare(strict_types=1);
echo __FILE__, " ", __DIR__, " ", $argc, " ", basename($_SERVER['SCRIPT_NAME']), " ", getcwd(), "\n";
echo $undefined_variable;
