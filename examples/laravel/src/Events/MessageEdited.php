<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** A message was edited. (`message.edited`) */
final class MessageEdited extends EngineEvent
{
}
