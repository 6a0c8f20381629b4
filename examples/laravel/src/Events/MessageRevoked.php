<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** A message was deleted for everyone. (`message.revoked`) */
final class MessageRevoked extends EngineEvent
{
}
