<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The recipient has opened the message. (`message.read`) */
final class MessageRead extends MessageEvent
{
}
