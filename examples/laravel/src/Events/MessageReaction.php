<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** Somebody reacted to a message. (`message.reaction`) */
final class MessageReaction extends EngineEvent
{
}
