<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** WhatsApp's server took the message. (`message.sent`) */
final class MessageSent extends MessageEvent
{
}
