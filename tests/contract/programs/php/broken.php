<?php
foo(;
