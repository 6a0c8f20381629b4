<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** Somebody wrote to the session. (`message.received`) */
final class MessageReceived extends EngineEvent
{
}
