<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The message is on the recipient's device. (`message.delivered`) */
final class MessageDelivered extends MessageEvent
{
}
