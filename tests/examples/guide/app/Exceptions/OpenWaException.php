<?php

namespace App\Exceptions;

class OpenWaException extends \RuntimeException
{
}
