<?php
echo "世界\n";
