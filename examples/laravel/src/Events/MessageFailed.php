<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The message will not come: `status` says how (`failed` `bounced` `expired` `unknown` `cancelled`). (`message.failed`) */
final class MessageFailed extends MessageEvent
{
}
