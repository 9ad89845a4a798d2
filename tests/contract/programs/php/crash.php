<?php
namespace Demo;
echo "printed before the crash\n";
function fail(): void
{
    throw new \LogicException("on purpose");
}
fail();
