<?php
function value(): int
{
    return 40;
}
